"""What a run takes in memory and time, estimated before anything is loaded."""
