"""Checkpoint → ONNX for jetson-inference's detectNet, verified before it gets its name.

* ``detectnet.py`` what detectNet does around the network, in NumPy
* ``graph.py``     the exported module: softmax and decoding inside, no NMS
* ``contract.py``  reads a file back and checks it against every clause of detectNet's contract
* ``tensorrt.py``, ``tensorrt_operators.py``   what the parser of each TensorRT reads: the check, and its table
* ``graphs.py``    walks a file: nodes and constants, wherever they are
* ``labels.py``    names as detectNet reads them, one per line
* ``parity.py``    the same images through torch and onnxruntime
* ``onnx.py``      export → contract → parity → publish, and the report

Each check is its own module, so it can run on any file.
"""
