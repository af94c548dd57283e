"""Time and pace: clock, rate, token bucket, backoff. No Beam, no AWS."""
