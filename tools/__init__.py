from vision.messages import supported_python as supported_python
