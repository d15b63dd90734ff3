"""pytorch-ssd's scripts under their old names: each takes its old options, prints the new command and runs it.

* ``old_options.py``              the table of old options, and how the new command is printed and started
* ``eval_ssd.py``                 python -m tools.evaluate      * ``onnx_export.py``        python -m tools.export_onnx
* ``run_ssd_example.py``          python -m tools.detect
* ``open_images_downloader.py``   python -m pipeline.open_images
* ``coco_downloader.py``          python -m pipeline run --until extract
* ``validate_image_files.py``     python -m pipeline.validate_images
* ``fix_coco_annotations.py``     python -m pipeline run --from validate_images
* ``run_ssd_live_demo.py``, ``onnx_validate.py``, ``convert_to_caffe2_models.py``  gone: each says what to use instead
"""

from vision.messages import supported_python as supported_python
