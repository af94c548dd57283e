"""The DynamoDB service as this library uses it. No Beam here."""
