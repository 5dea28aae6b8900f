"""The surface of one underlying: 3D, one smile, certificate and fit figures."""
