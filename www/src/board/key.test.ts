import { describe, expect, it } from 'vitest';
import { requestText, signature } from './key';

describe('signing', () => {
  it('covers method, path, time and body, as the board reads it', async () => {
    // SHA-256 of nothing: FIPS 180-2.
    expect(await requestText('DELETE', '/api/submissions/3f', 1764111547000, new Uint8Array())).toBe(
      'jeoul-request/1\nDELETE\n/api/submissions/3f\n1764111547000\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n',
    );
    const key = { publicKey: 'ab', author: 'c', sign: async (bytes: Uint8Array) => `${bytes.length}` };
    expect(await signature(key, 'GET', '/', 5, new Uint8Array())).toBe('ab 5 89');
  });
});
