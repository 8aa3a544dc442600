"""What makes the lecture slides and the course site out of the executed notebooks."""
