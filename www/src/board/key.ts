// The key that signs what this browser posts: Ed25519, made by WebCrypto, kept in IndexedDB. Its secret half does not come out,
// not even to this page. Whoever clears the browser's data loses it, and with it the right to delete what it signed.
import { hex, sha256 } from '../lib/hash';

const DATABASE = 'jeoul';
const STORE = 'keys';
const ID = 'board';

/** Somebody who signs. */
export interface Signer {
  /** 64 hexadecimal digits. */
  publicKey: string;
  /** The first 16 bytes of the public key's SHA-256: 32 hexadecimal digits. */
  author: string;
  /** 128 hexadecimal digits. */
  sign: (bytes: Uint8Array<ArrayBuffer>) => Promise<string>;
}

/** Why there is no key: the browser has no Ed25519, or no place to keep one. */
export type KeyLack = 'noEd25519' | 'noStorage';

export class KeyError extends Error {
  constructor(readonly lack: KeyLack) {
    super(lack);
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('storage'));
  });
}

async function database(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

function isPair(value: unknown): value is CryptoKeyPair {
  return typeof value === 'object' && value !== null && 'privateKey' in value && value.privateKey instanceof CryptoKey;
}

/** Keeps a pair unless another tab was faster; gives the one that is kept. */
async function keep(storage: IDBDatabase, pair: CryptoKeyPair): Promise<CryptoKeyPair> {
  const store = storage.transaction(STORE, 'readwrite').objectStore(STORE);
  const kept: unknown = await done(store.get(ID));
  if (isPair(kept)) return kept;
  await done(store.put(pair, ID));
  return pair;
}

async function stored(): Promise<CryptoKeyPair | null> {
  const storage = await database();
  const kept: unknown = await done(storage.transaction(STORE).objectStore(STORE).get(ID));
  storage.close();
  return isPair(kept) ? kept : null;
}

async function signer({ publicKey, privateKey }: CryptoKeyPair): Promise<Signer> {
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
  return {
    publicKey: hex(raw),
    author: (await sha256(raw)).slice(0, 32),
    sign: async (bytes) => hex(await crypto.subtle.sign('Ed25519', privateKey, bytes)),
  };
}

/** This browser's key, if it has made one. Never throws: without storage there is none. */
export async function existingKey(): Promise<Signer | null> {
  try {
    const pair = await stored();
    return pair && (await signer(pair));
  } catch {
    return null;
  }
}

/** This browser's key; made when it is first needed. Throws a [`KeyError`]. */
export async function browserKey(): Promise<Signer> {
  let pair: CryptoKeyPair | null;
  try {
    pair = await stored();
  } catch {
    throw new KeyError('noStorage');
  }
  if (pair) return signer(pair);
  let fresh: CryptoKey | CryptoKeyPair;
  try {
    fresh = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
  } catch {
    throw new KeyError('noEd25519');
  }
  if (!isPair(fresh)) throw new KeyError('noEd25519');
  try {
    const storage = await database();
    const kept = await keep(storage, fresh);
    storage.close();
    return await signer(kept);
  } catch {
    throw new KeyError('noStorage');
  }
}

/** What is signed of a request, as `crates/record/src/signed_request.rs` reads it; `path` with its query. */
export async function requestText(method: string, path: string, timeMs: number, body: Uint8Array<ArrayBuffer>): Promise<string> {
  return `jeoul-request/1\n${method}\n${path}\n${timeMs}\n${await sha256(body)}\n`;
}

/** The header `jeoul-signature` of a request. */
export async function signature(key: Signer, method: string, path: string, timeMs: number, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const text = await requestText(method, path, timeMs, body);
  return `${key.publicKey} ${timeMs} ${await key.sign(new TextEncoder().encode(text))}`;
}
