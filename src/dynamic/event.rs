//! One visible operation of one thread, as the agent records it: 64 bits, laid out in
//! `agent/core.py`.

/// What an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    Read,
    Write,
    Insert,
    Acquire,
    Release,
    TryOk,
    TryFail,
    Inspect,
    Start,
    Begin,
    End,
    Join,
    Alive,
    Set,
    Clear,
    Wait,
    Put,
    Get,
    Sleep,
    Await,
    Timeout,
    Select,
    Wake,
    Update,
}

/// What a kind does to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: it may be swapped with anything.
    Nothing,
    /// Reads: two of them may be swapped.
    Reads,
    /// Writes.
    Writes,
    /// It happens only when nothing else can, so it stays ordered with everything.
    Everything,
}

const KINDS: [Kind; 24] = [
    Kind::Read,
    Kind::Write,
    Kind::Insert,
    Kind::Acquire,
    Kind::Release,
    Kind::TryOk,
    Kind::TryFail,
    Kind::Inspect,
    Kind::Start,
    Kind::Begin,
    Kind::End,
    Kind::Join,
    Kind::Alive,
    Kind::Set,
    Kind::Clear,
    Kind::Wait,
    Kind::Put,
    Kind::Get,
    Kind::Sleep,
    Kind::Await,
    Kind::Timeout,
    Kind::Select,
    Kind::Wake,
    Kind::Update,
];

impl Kind {
    /// How it touches its place.
    pub fn mode(self) -> Mode {
        match self {
            Self::Read
            | Self::TryFail
            | Self::Inspect
            | Self::Alive
            | Self::Wait
            | Self::Join
            | Self::Begin => Mode::Reads,
            Self::Sleep => Mode::Nothing,
            Self::Await | Self::Timeout => Mode::Everything,
            _ => Mode::Writes,
        }
    }

    /// Whether it waits until its place allows it.
    pub fn blocks(self) -> bool {
        matches!(
            self,
            Self::Acquire | Self::Join | Self::Wait | Self::Get | Self::Begin | Self::Select
        )
    }

    /// Whether it is an access to data, as opposed to synchronisation.
    pub fn is_access(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Insert | Self::Update)
    }

    /// The word for it in reports and witness files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Insert => "insert",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::TryOk => "try-acquire",
            Self::TryFail => "try-acquire-failed",
            Self::Inspect => "inspect",
            Self::Start => "start",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Join => "join",
            Self::Alive => "is-alive",
            Self::Set => "set",
            Self::Clear => "clear",
            Self::Wait => "wait",
            Self::Put => "put",
            Self::Get => "get",
            Self::Sleep => "sleep",
            Self::Await => "await",
            Self::Timeout => "timeout",
            Self::Select => "select",
            Self::Wake => "wake",
            Self::Update => "update",
        }
    }
}

const SITE_SHIFT: u32 = 28;
const KIND_SHIFT: u32 = 48;
const TASK_SHIFT: u32 = 55;
const PART_MASK: u64 = (1 << 10) - 1;
const PLACE_MASK: u64 = (1 << SITE_SHIFT) - 1;
const AVAILABLE: u64 = 1 << 54;

/// Part of an object that stands for all of it.
pub const WHOLE: u64 = 0;
/// Part of a container that stands for its size and order.
pub const STRUCTURE: u64 = 1;

/// One visible operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event(pub u64);

impl Event {
    /// Which thread did it: a number in order of creation, 0 for the main thread.
    pub fn thread(self) -> usize {
        (self.0 >> TASK_SHIFT) as usize
    }

    /// What it did.
    pub fn kind(self) -> Kind {
        let number = (self.0 >> KIND_SHIFT & 63) as usize;
        KINDS.get(number).copied().unwrap_or(Kind::Timeout)
    }

    /// Where in the program; 0 when only library code runs.
    pub fn site(self) -> u32 {
        (self.0 >> SITE_SHIFT & 0xF_FFFF) as u32
    }

    /// The object and its part.
    pub fn place(self) -> u64 {
        self.0 & PLACE_MASK
    }

    /// The object alone; 0 for none.
    pub fn object(self) -> u64 {
        self.0 & PLACE_MASK & !PART_MASK
    }

    /// The part of the object.
    pub fn part(self) -> u64 {
        self.0 & PART_MASK
    }

    /// Whether a blocking operation on the place could have gone on just before this one.
    pub fn available(self) -> bool {
        self.0 & AVAILABLE != 0
    }

    /// Thread, kind and site: what is the same when a prefix is executed again.
    pub fn identity(self) -> u64 {
        self.0 & !(AVAILABLE | PLACE_MASK)
    }

    /// The same operation, done by another thread number.
    pub fn by(self, thread: usize) -> Self {
        Self(self.0 & ((1 << TASK_SHIFT) - 1) | (thread as u64) << TASK_SHIFT)
    }

    /// Whether the two operations may not be swapped when different threads do them.
    pub fn conflicts(self, other: Self) -> bool {
        let (a, b) = (self.kind(), other.kind());
        match (a.mode(), b.mode()) {
            (Mode::Everything, _) | (_, Mode::Everything) => return true,
            (Mode::Nothing, _) | (_, Mode::Nothing) | (Mode::Reads, Mode::Reads) => return false,
            _ => {}
        }
        if self.object() != other.object() || self.object() == 0 {
            return false;
        }
        // Both ends of a queue: an item can be taken, so putting another one does not matter.
        if matches!((a, b), (Kind::Put, Kind::Get) | (Kind::Get, Kind::Put)) {
            return false;
        }
        let (p, q) = (self.part(), other.part());
        if p == q || p == WHOLE || q == WHOLE {
            return true;
        }
        match (a, b) {
            (Kind::Insert, Kind::Insert) => true,
            (Kind::Insert, _) => q == STRUCTURE,
            (_, Kind::Insert) => p == STRUCTURE,
            _ => false,
        }
    }
}
