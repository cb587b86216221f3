// The rooms of this browser, and what it may do in each.
import { api, Problem } from './api';
import type { Receipt } from './answers';
import { recallRooms, rememberRooms, withRoom, type OwnRoom } from './memory';
import { isRoom } from './route';

class Rooms {
  own = $state.raw<OwnRoom[]>(recallRooms(Date.now()));

  find(room: string): OwnRoom | null {
    return this.own.find((each) => each.room === room) ?? null;
  }

  /** The token to read a board with: none for a public one. */
  token(board: string | null): string | null {
    const room = board !== null && isRoom(board) ? this.find(board) : null;
    return room?.presenter ?? room?.member ?? null;
  }

  #note(news: Pick<OwnRoom, 'room'> & Partial<OwnRoom>): void {
    // Another tab may have noted rooms meanwhile.
    this.own = withRoom(recallRooms(Date.now()), news);
    rememberRooms(this.own);
  }

  forget(room: string): void {
    this.own = recallRooms(Date.now()).filter((each) => each.room !== room);
    rememberRooms(this.own);
  }

  async open(name: string): Promise<OwnRoom> {
    const { room, code, presenter, expires_ms } = await api.openRoom(name);
    this.#note({ room, name, code, presenter, expires_ms });
    return this.find(room)!;
  }

  async join(code: string): Promise<OwnRoom> {
    const { room, name, token, expires_ms } = await api.join(code);
    this.#note({ room, name, member: token, expires_ms });
    return this.find(room)!;
  }

  share(room: string, shares: boolean): void {
    this.#note({ room, shares });
  }

  /** Posts to a room; its presenter joins it first, as whoever posts does. */
  async post(room: string, text: string, key: string): Promise<Receipt> {
    const own = this.find(room);
    const member = own?.member ?? (own?.code ? (await this.join(own.code)).member : null);
    if (member === null) throw new Problem(0, 'not-in-room', '', '');
    return api.post(text, key, { token: member });
  }
}

export const rooms = new Rooms();
