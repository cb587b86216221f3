//! Who may see and do what. One place, so that the table of tests beside it is about one place.
//!
//! A board that is not there and one that a caller may not see give the same answer.

use crate::board::Board;
use crate::http::caller::Caller;
use crate::problem::Problem;
use crate::secret::is_hex;
use crate::store::rooms::Room;
use crate::store::submissions::Submission;

/// A board that the caller may see.
pub(crate) struct Seen {
    /// The room, if the board is one.
    pub(crate) room: Option<Room>,
    /// Whether hidden runs are shown, too.
    pub(crate) hidden: bool,
}

/// The board named `id`, if the caller may see it: everyone a public board and a published room, members, presenter and
/// moderators any room.
pub(crate) async fn see(board: &Board, caller: &Caller, id: &str) -> Result<Seen, Problem> {
    let hidden = caller.moderator().is_some();
    if board.inner.config.boards.iter().any(|name| name == id) {
        return Ok(Seen { room: None, hidden });
    }
    let room = find(board, id).await?.ok_or_else(Problem::not_found)?;
    let insider = caller.member_of(id).is_some() || caller.presents(id);
    if insider || hidden || room.published != 0 {
        Ok(Seen {
            room: Some(room),
            hidden: hidden || caller.presents(id),
        })
    } else {
        Err(Problem::not_found())
    }
}

/// The room named `id`, if the caller presents it or is a moderator.
pub(crate) async fn present(board: &Board, caller: &Caller, id: &str) -> Result<Room, Problem> {
    let room = find(board, id).await?;
    let may = caller.presents(id) || caller.moderator().is_some();
    room.filter(|_| may).ok_or_else(Problem::not_found)
}

/// The room with this id. What has not the form of one is not looked for: PostgreSQL, for one, takes no NUL in text.
async fn find(board: &Board, id: &str) -> Result<Option<Room>, Problem> {
    if !is_hex(id, 16) {
        return Ok(None);
    }
    Ok(board.store().room(id).await?)
}

/// The run with this id, even if it was deleted a moment ago.
pub(crate) async fn any_run(board: &Board, id: &str) -> Result<Submission, Problem> {
    if !is_hex(id, 64) {
        return Err(Problem::not_found());
    }
    board
        .store()
        .submission_or_deleted(id)
        .await?
        .ok_or_else(Problem::not_found)
}

/// The run named `id`, if it is on a board that the caller may see and is not hidden from them. Its author sees a hidden one.
pub(crate) async fn run(board: &Board, caller: &Caller, id: &str) -> Result<Submission, Problem> {
    let row = any_run(board, id).await?;
    if row.deleted_ms.is_some() {
        return Err(Problem::not_found());
    }
    let own = caller
        .signer
        .as_ref()
        .is_some_and(|signer| signer.author == row.author);
    if own {
        return Ok(row);
    }
    let seen = see(board, caller, &row.board).await?;
    if row.hidden != 0 && !seen.hidden {
        return Err(Problem::not_found());
    }
    Ok(row)
}

/// A moderator, or 404: that there is a moderators' side is nobody's business.
pub(crate) fn moderator(caller: &Caller) -> Result<&crate::store::moderators::Moderator, Problem> {
    caller.moderator().ok_or_else(Problem::not_found)
}
