"""How it is done: Beam transforms over DynamoDB, thin over pure code."""
