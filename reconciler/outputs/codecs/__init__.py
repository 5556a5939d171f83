"""What the coded pictures themselves must look like, one module per codec: no decoder tells all."""
