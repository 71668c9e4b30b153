"""Pure: one task's evidence in, a verdict out. Nothing here touches a file, a clock or a setting."""
