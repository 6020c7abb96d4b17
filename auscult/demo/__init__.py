"""The end-to-end demonstration on people whose outcome is known."""
