"""Pure numpy functions shared by dimensions."""
