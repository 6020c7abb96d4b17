"""What a risk model is, and how it turns a patient's values into an explained risk."""
