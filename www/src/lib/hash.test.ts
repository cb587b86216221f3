import { expect, it } from 'vitest';
import { hex, sha256 } from './hash';

it('writes every byte as two digits', () => {
  expect(hex(new Uint8Array([0, 255]))).toBe('00ff');
});

it('hashes as FIPS 180-2 has it', async () => {
  expect(await sha256(new TextEncoder().encode('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
