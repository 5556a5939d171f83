"""The page, the REST interface and the streams: what people and programs see of it all."""
