"""How well a model's risks agree with what happened, with intervals and by subgroup."""
