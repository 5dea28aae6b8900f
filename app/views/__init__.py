"""Pages of the analyst app, one package each: setup, data, plot, view."""
