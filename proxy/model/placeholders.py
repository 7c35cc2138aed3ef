"""What stands in lines to paste where a person puts something of their own."""

#: A key that may read the feed.
KEY_PLACEHOLDER = "YOUR-KEY"
#: The file of a CA of the company's own.
CA_FILE = "/path/to/ca.pem"
#: Begins the comment that says how a client is told of that file.
OWN_CA = "# If the certificate comes from a CA of your own"
