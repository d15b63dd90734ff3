"""Foreign layouts of labelled images, one reader a file. Readers are generators that write nothing and judge nothing.

* ``contract.py``     what every reader takes and gives     * ``image_files.py``  finds the image that a name means
* ``documents.py``    text, numbers and XML out of files that nobody vouches for
* ``coco.py``         COCO JSON of any tool (Roboflow, CVAT, Label Studio)
* ``voc.py``          Pascal VOC (LabelImg, CVAT, camera-capture)
* ``yolo.py``         YOLO: data.yaml, folders and lists, rows
* ``open_images.py``  Open Images CSV  * ``cvat.py``  CVAT for images 1.1      * ``labelme.py``  LabelMe JSON
"""
