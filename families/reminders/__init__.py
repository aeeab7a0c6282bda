"""What guardians are reminded of: kinds that apps register, what each guardian chose, the evenings' mails."""
