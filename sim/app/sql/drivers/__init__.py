"""What the libraries of an application import and connect to, in place of a database's driver."""
