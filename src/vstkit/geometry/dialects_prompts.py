"""What each family of models is told about boxes: interface texts, which must stay as they are.

`ask` has what is asked for in the slot {request}, `tell` explains a box that the question itself gives. The other slots
are of the image and of how boxes are written; the lines' ends are broken in Python only.
"""

from __future__ import annotations

CENTERS = {"xyz": "x_center, y_center, z_center", "uvd": "u_center, v_center, depth"}
SIZES = "x_size, y_size, z_size"
QUATERNION = "qx, qy, qz, qw"

# What no vendor has a text for, in our words.
UVD_TOLD = (
    "u_center, v_center, depth: the pixel at which the center of the object is seen, u to the right and v downward in "
    "an image of {width} x {height} pixels, and the distance of the center along the viewing direction, in meters."
)
QUATERNION_TOLD = "qx, qy, qz, qw: the rotation as a unit quaternion, scalar last, {axes}, with qw not negative."

# Kept to the byte: this is what the released VST models were trained on. From the training code of
# github.com/Yangr116/VST (commit b493767), as its cookbook/object_detection_3d.ipynb uses it; table 23 of the paper.
VST = (
    "Here are the detailed camera parameters for the image.\n"
    "Camera intrinsic parameters: Horizontal fov, hfov={hfov:.2f}, and vertical fov, vfov={vfov:.2f}. "
    "Image width={width} and height={height}. We do not consider distortion parameters here. \n"
    "Camera coordinate: X-axis points rightward, Y-axis points downward, and Z-axis points forward. "
    "The origin point is the camera location.\n"
    "We take the camera coordinate system as the world coordinate system.\n"
    "\n"
    "3D bounding box format: [{center}, x_size, y_size, z_size, {angles}]\n"
    "* {center_told}\n"
    "* x_size, y_size, z_size: The dimensions of the object along the ( XYZ ) axes, in meters, "
    "when the rotation angles are zero.\n"
    "* {angles_told}\n"
    "\n"
)
VST_ASK = (
    VST + 'Output a json list where each entry contains the object name in "label" '
    'and its 3D bounding box in "bbox_3d"\n'
    "{request}"
)
VST_TELL = VST + "{request}"
VST_CENTER = (
    "x_center, y_center, z_center: the center of the object in the camera coordinate, in meters. "
    "z_center is the depth of the object in space."
)
VST_ANGLES = (
    "pitch, yaw, roll: Euler angles representing rotations around the X, Y, and Z axes, respectively. "
    "Each angle is normalized to the range of (-1, 1) and is multiplied by 180 to convert it into degrees."
)

# The example of Volcano Engine's guide to visual grounding with Seed1.5-VL (its English edition), whose own numbers
# for the matrix K contradict themselves: K is the camera's here. The guide says nothing of names: the last sentence
# before the request is ours.
SEED = (
    "The following are the detailed camera parameters of this image.\n"
    "Camera intrinsic parameters: Focal length f_x={fx:.2f}, f_y={fy:.2f}. The principal point coordinates are near "
    "the center of the image, so when the image width is {width} and height is {height}, c_x={cx:.2f} and "
    "c_y={cy:.2f}. We do not consider distortion parameters here. Therefore, the intrinsic matrix "
    "K = [[{fx:.2f}, 0, {cx:.2f}], [0, {fy:.2f}, {cy:.2f}], [0, 0, 1]].\n"
    "Camera coordinate system: X-axis to the right, Y-axis downward, Z-axis forward. The origin is the camera "
    "position. We use the camera coordinate system as the world coordinate system, that is, the camera extrinsic "
    "matrix is [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]].\n"
)
SEED_NOTES = (
    "Note:\n"
    "(1) {center_told}\n"
    "(2) x_size, y_size, z_size: The size of the target along the XYZ axes when the rotation angle is zero, in "
    "meters.\n"
    "(3) {angles_told}\n"
)
SEED_BOX = "<3dbbox>{center} x_size y_size z_size {angles}</3dbbox>"
SEED_ASK = (
    SEED + f"Please output each 3D box in the following format: {SEED_BOX}\n" + SEED_NOTES + "Write each box on a line "
    "of its own, after the name of the object and a colon, and none if there is no such object.\n{request}"
)
SEED_TELL = SEED + f"A 3D box has the following format: {SEED_BOX}\n" + SEED_NOTES + "{request}"
SEED_CENTER = (
    "x_center, y_center, z_center: The position of the target center along the XYZ axes in the camera coordinate "
    "system, in meters."
)
SEED_ANGLES = (
    "pitch, yaw, roll: Euler angles around the XYZ axes respectively. Each angle value here is normalized to (-1,1) "
    "and needs to be multiplied by 180 to convert to the actual angle."
)

# The question that VLMEvalKit asks Qwen3-VL; github.com/QwenLM/Qwen3-VL (commit 9658872), cookbooks/3d_grounding.ipynb,
# has it in Chinese and freer ones in English. There is no camera in it.
QWEN3VL_ASK = (
    "{request} The results must be in the JSON format: "
    '`[{{"bbox_3d":[{center}, x_size, y_size, z_size, {angles}],"label":"category"}}]`.{told}'
)
QWEN3VL_TELL = "{request} 3D bounding boxes are written as `[{center}, x_size, y_size, z_size, {angles}]`.{told}"

# Google's cookbook, examples/Spatial_understanding_3d.ipynb of github.com/google-gemini/cookbook. No camera either.
GEMINI_ASK = (
    "{request}\n"
    'Output a json list where each entry contains the object name in "label" and its 3D bounding box in "box_3d"\n'
    "The 3D bounding box format should be [{center}, x_size, y_size, z_size, {angles}].{told}"
)
GEMINI_TELL = "{request}\nThe 3D bounding box format is [{center}, x_size, y_size, z_size, {angles}].{told}"
