"""What is known, as a person says it: shared by the commands and the pages."""
