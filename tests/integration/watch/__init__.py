"""The watch on real inotify and by real polling."""
