// ONNX models of one node, written by hand: the few messages of onnx.proto that they need.

/** A protobuf message of `[field, value]`: integers, text, and bytes, which may be messages. */
function message(...fields) {
  const parts = fields.flatMap(([field, value]) => {
    if (typeof value === 'number') return [varint(field * 8), varint(value)];
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    return [varint(field * 8 + 2), varint(bytes.length), bytes];
  });
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varint(value) {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const FLOAT = 1;
const UINT8 = 2;
const INT = 2;

/** TensorProto, of a typed array. */
function tensor(name, dims, data) {
  const type = data instanceof Float32Array ? FLOAT : UINT8;
  const bytes = new Uint8Array(data.buffer);
  return message(...dims.map((dim) => [1, dim]), [2, type], [8, name], [9, bytes]);
}

/** ValueInfoProto of f32 `[any, columns]`. */
function value(name, columns) {
  const shape = message([1, message()], [1, message([1, columns])]);
  return message([1, name], [2, message([1, message([1, FLOAT], [2, shape])])]);
}

/** ModelProto with one NodeProto, from `x` `[rows, k]` and the weights to `y` `[rows, n]`. */
function model(operator, domain, attributes, weights, k, n) {
  const node = message(
    ...['x', ...weights.map(([name]) => name)].map((name) => [1, name]),
    [2, 'y'],
    [4, operator],
    ...Object.entries(attributes).map(([name, i]) => [5, message([1, name], [3, i], [20, INT])]),
    [7, domain],
  );
  const initializers = weights.map((weight) => [5, tensor(...weight)]);
  const graph = message([1, node], [2, 'product'], ...initializers, [11, value('x', k)], [12, value('y', n)]);
  const opsets = [message([1, ''], [2, 17]), message([1, 'com.microsoft'], [2, 1])];
  return message([1, 8], [7, graph], ...opsets.map((opset) => [8, opset]));
}

/** `MatMul` with f32 weights `[k, n]`, and the sums of its columns. */
export function matmul(k, n) {
  const weights = Float32Array.from({ length: k * n }, () => Math.random() - 0.5);
  const sums = new Float64Array(n);
  weights.forEach((weight, i) => (sums[i % n] += weight));
  return { model: model('MatMul', '', {}, [['w', [k, n], weights]], k, n), sums };
}

const BLOCK = 32;

/**
 * `MatMulNBits` with 4-bit weights `[n, k]` in blocks of 32, each with a scale, and a zero point unless that is 8 for all; and the
 * sums of its rows. `accuracy` is the least type to compute in: 0 says nothing of it, 4 is int8.
 */
export function matmulNBits(k, n, { zeroPoints, accuracy = 0 }) {
  const blocks = k / BLOCK;
  const bytes = (length) => Uint8Array.from({ length }, () => Math.random() * 256);
  const weights = bytes((n * k) / 2);
  const scales = Float32Array.from({ length: n * blocks }, () => 0.01 + Math.random() * 0.01);
  const zeros = zeroPoints ? bytes((n * blocks) / 2) : new Uint8Array((n * blocks) / 2).fill(0x88);
  const nibble = (packed, i) => (packed[i >> 1] >> (4 * (i & 1))) & 15;
  const sums = new Float64Array(n);
  for (let i = 0; i < n * k; i += 1) {
    const block = Math.floor(i / BLOCK);
    sums[Math.floor(i / k)] += (nibble(weights, i) - nibble(zeros, block)) * scales[block];
  }
  const inputs = [['w', [n, blocks, BLOCK / 2], weights], ['scales', [n, blocks], scales]];
  if (zeroPoints) inputs.push(['zeros', [n, blocks / 2], zeros]);
  const attributes = { K: k, N: n, bits: 4, block_size: BLOCK, accuracy_level: accuracy };
  return { model: model('MatMulNBits', 'com.microsoft', attributes, inputs, k, n), sums };
}
