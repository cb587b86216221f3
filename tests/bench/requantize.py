"""Writes a GGUF file anew with its matrices in another type: requantize.py SOURCE TARGET Q4_0|Q8_0.

What is already of another type than the source's matrices (norms) stays as it is.
"""

import sys

import gguf
from gguf.quants import dequantize, quantize

source, target, name = sys.argv[1:]
wanted = gguf.GGMLQuantizationType[name]
reader = gguf.GGUFReader(source)
architecture = reader.fields["general.architecture"].contents()
writer = gguf.GGUFWriter(target, architecture)
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name == "general.architecture":
        continue
    kind = field.types[0]
    inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
for tensor in reader.tensors:
    if tensor.tensor_type == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(tensor.name, tensor.data)
        continue
    values = dequantize(tensor.data, tensor.tensor_type)
    writer.add_tensor(tensor.name, quantize(values, wanted), raw_dtype=wanted)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
