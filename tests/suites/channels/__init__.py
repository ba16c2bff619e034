"""What every channel must do, whatever it is called: read its golden bodies, survive hostile ones."""
