"""Word times from the CTC head."""
