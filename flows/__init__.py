"""When and in what order: one flow a file, and the command line."""
