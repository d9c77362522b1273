"""What the fakes of all clouds share: time, names, records, HTTP, and what is kept of the models for the next start."""
