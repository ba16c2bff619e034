"""What would one write oneself? Systems that do the same work, each as its own documentation advises."""
