"""What was decided, for ever: the log is the record, the report and the statistics are projections of it."""
