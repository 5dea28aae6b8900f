"""The stream: publications told to clients as they happen. No SQL, no rows: a message says where they are."""
