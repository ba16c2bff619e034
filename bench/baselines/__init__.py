"""What would one write oneself? Two systems that do the same work, each as its own documentation advises."""
