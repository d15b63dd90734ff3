"""Backbones, one file per family: ``forward(images)`` gives the list of source maps, finest first.

* ``tapped.py``        a sequence of layers, and which of their maps are sources
* ``vgg16.py``         VGG16 with its fully connected layers as convolutions
* ``mobilenet_v1.py``  MobileNetV1
* ``mobilenet_v2.py``  MobileNetV2 at any width
* ``mobilenet_v3.py``  MobileNetV3 large and small
* ``squeezenet.py``    SqueezeNet 1.1
* ``resnet.py``        ResNets of 18, 34, 50 and 101 layers
* ``darknet.py``       DarkNet19 and DarkNet53, the backbones of YOLOv2 and v3
* ``classroom.py``     ObjectDetectionFromScratch's: small grey images, stride 4
"""
