"""What people see of results: texts for the terminal, figures (`plots`), HTML pages (`report`)."""
