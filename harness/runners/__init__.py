"""How a guest is started and held: Docker, or a plain process for development."""
