"""Language and Chinese dialect identification."""
