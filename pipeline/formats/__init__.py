"""Foreign layouts of labelled images, one reader per file. Readers are generators; they write nothing and check nothing.

* ``contract.py``     what every reader takes and gives     * ``image_files.py``  finds the image that a name means
* ``documents.py``    text, numbers and XML out of untrusted files
* ``coco.py``         COCO JSON of any tool (Roboflow, CVAT, Label Studio)
* ``voc.py``          Pascal VOC (LabelImg, CVAT, camera-capture)
* ``yolo.py``         YOLO: data.yaml, folders and lists, rows
* ``open_images.py``  Open Images CSV  * ``cvat.py``  CVAT for images 1.1      * ``labelme.py``  LabelMe JSON
"""
