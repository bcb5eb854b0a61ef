//! What a project's runs remember on disk, in `.raceproof_cache/`.
//!
//! Facts lie in *packs*, one for each run that computed any: entries, an index, a footer. Outcomes
//! lie in one file for each set of settings. Everything is written under a temporary name and
//! renamed, so two runs may share the directory; whatever cannot be read back, is of another
//! analyser or fails its checksum is a miss. Nothing read from here is ever executed, and nothing
//! is written elsewhere.
//!
//! Keys contain the contents they stand for: of a file's bytes and path, of the models, of the
//! executable. An outcome's key contains the stamps of all files instead, so that an unchanged
//! project costs a walk; see [`Stamp::is_settled`] for why that is safe.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::module::Module;
use crate::config::Settings;
use crate::findings::outcome::Outcome;
use crate::source::files::{Listing, Stamp};

const MAGIC: &[u8; 8] = b"RPCACHE1";
/// Index offset, index length, index checksum, magic.
const FOOTER: u64 = 8 + 8 + 8 + 8;
/// Key, offset, length, checksum.
const INDEX_ENTRY: usize = 16 + 8 + 8 + 8;
/// More packs than this are merged into one.
const MAX_PACKS: usize = 6;
/// More outcomes than this, and the oldest goes.
const MAX_OUTCOMES: usize = 16;
/// A temporary file this old belongs to a run that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The cache of one project.
pub struct Cache {
    directory: PathBuf,
    root: PathBuf,
    packs: OnceLock<Packs>,
    writer: Mutex<Writer>,
    /// Entries that this run used; the others need not be kept.
    used: Mutex<FxHashSet<u128>>,
}

/// Key of an outcome: which file, and what must stand in it.
pub(super) struct RunKey {
    slot: u64,
    state: u128,
}

impl Cache {
    /// The cache in `directory` for the project at `root`. Nothing is read or written yet.
    pub fn new(directory: PathBuf, root: PathBuf) -> Self {
        Self {
            directory,
            root,
            packs: OnceLock::new(),
            writer: Mutex::new(Writer::Idle),
            used: Mutex::default(),
        }
    }

    pub(super) fn module(&self, key: u128) -> Option<Module> {
        let packs = self.packs.get_or_init(|| Packs::open(&self.directory));
        let module = postcard::from_bytes(&packs.read(key)?).ok()?;
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
        Some(module)
    }

    pub(super) fn keep_module(&self, key: u128, module: &Module) {
        let Ok(bytes) = postcard::to_stdvec(module) else {
            return;
        };
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.append(&self.directory, key, &bytes);
    }

    /// Makes what was kept available to later runs.
    pub(super) fn finish(&self) {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer::Open(mut pack) = std::mem::replace(&mut *slot, Writer::Idle) else {
            return;
        };
        let packs = self.packs.get_or_init(|| Packs::open(&self.directory));
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut merge = packs.packs.len() >= MAX_PACKS || used.len() * 2 < packs.entries.len();
        if merge {
            for &key in used.iter() {
                if let Some(bytes) = packs.read(key) {
                    merge &= pack.append(key, &bytes).is_ok();
                }
            }
        }
        if pack.finish(&self.directory).is_ok() && merge {
            for (path, _) in &packs.packs {
                // Another run may have merged it already; one that reads it keeps its handle.
                let _ = fs::remove_file(path);
            }
        }
    }

    pub(super) fn run_key(
        &self,
        settings: &Settings,
        listing: &Listing,
        stamps: &[Stamp],
    ) -> Option<RunKey> {
        let settings = postcard::to_stdvec(settings).ok()?;
        let mut slot = Xxh3::new();
        slot.update(&settings);
        slot.update(self.root.as_os_str().as_encoded_bytes());
        let mut state = Xxh3::new();
        state.update(&analyser().to_le_bytes());
        state.update(&settings);
        state.update(self.root.as_os_str().as_encoded_bytes());
        state.update(&postcard::to_stdvec(stamps).ok()?);
        for path in &listing.files {
            state.update(path.as_os_str().as_encoded_bytes());
            state.update(&[0]);
        }
        for (path, error) in &listing.problems {
            state.update(path.as_os_str().as_encoded_bytes());
            state.update(&[1]);
            state.update(error.to_string().as_bytes());
        }
        state.update(&(listing.stubs as u64).to_le_bytes());
        state.update(&(listing.notebooks as u64).to_le_bytes());
        Some(RunKey {
            slot: slot.digest(),
            state: state.digest128(),
        })
    }

    pub(super) fn outcome(&self, key: &RunKey) -> Option<Outcome> {
        let bytes = fs::read(self.outcome_path(key)).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (state, rest) = rest.split_first_chunk::<16>()?;
        let (checksum, rest) = rest.split_first_chunk::<8>()?;
        if u128::from_le_bytes(*state) != key.state
            || u64::from_le_bytes(*checksum) != xxh3_64(rest)
        {
            return None;
        }
        postcard::from_bytes(rest).ok()
    }

    pub(super) fn keep_outcome(&self, key: &RunKey, outcome: &Outcome) {
        let Ok(payload) = postcard::to_stdvec(outcome) else {
            return;
        };
        let write = || -> io::Result<()> {
            prepare(&self.directory)?;
            let temporary = temporary(&self.directory);
            let mut file = File::create_new(&temporary)?;
            file.write_all(MAGIC)?;
            file.write_all(&key.state.to_le_bytes())?;
            file.write_all(&xxh3_64(&payload).to_le_bytes())?;
            file.write_all(&payload)?;
            drop(file);
            fs::rename(&temporary, self.outcome_path(key))
        };
        // A cache that cannot be written makes the next run slower and nothing else.
        if write().is_ok() {
            self.prune();
        }
    }

    fn outcome_path(&self, key: &RunKey) -> PathBuf {
        self.directory.join(format!("run-{:016x}.bin", key.slot))
    }

    /// Removes outcomes beyond their number and what dead runs left behind.
    fn prune(&self) {
        let mut outcomes = Vec::new();
        for (path, modified) in entries(&self.directory) {
            let extension = path.extension().and_then(|it| it.to_str());
            match extension {
                Some("bin") => outcomes.push((modified, path)),
                Some("tmp") if modified.elapsed().is_ok_and(|age| age > ABANDONED) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        outcomes.sort();
        let surplus = outcomes.len().saturating_sub(MAX_OUTCOMES);
        for (_, path) in &outcomes[..surplus] {
            let _ = fs::remove_file(path);
        }
    }
}

/// Identity of the analyser: its version and, since versions stay while it is developed, the
/// executable.
pub(super) fn analyser() -> u64 {
    static ANALYSER: OnceLock<u64> = OnceLock::new();
    *ANALYSER.get_or_init(|| {
        let mut hash = Xxh3::new();
        hash.update(env!("CARGO_PKG_VERSION").as_bytes());
        if let Ok(metadata) = std::env::current_exe().and_then(fs::metadata) {
            hash.update(&metadata.len().to_le_bytes());
            if let Some(since) = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            {
                hash.update(&since.as_nanos().to_le_bytes());
            }
        }
        hash.digest()
    })
}

/// Where a pack keeps an entry.
#[derive(Clone, Copy)]
struct Entry {
    pack: usize,
    offset: u64,
    length: u64,
    checksum: u64,
}

/// All packs of a directory.
struct Packs {
    packs: Vec<(PathBuf, Mutex<File>)>,
    entries: FxHashMap<u128, Entry>,
}

impl Packs {
    fn open(directory: &Path) -> Self {
        let mut packs = Self {
            packs: Vec::new(),
            entries: FxHashMap::default(),
        };
        for (path, _) in entries(directory) {
            if path.extension().is_some_and(|it| it == "pack") {
                // A pack that is cut or scrambled holds nothing; the next merge removes it.
                let opened = packs.add(&path);
                if opened.is_none()
                    && let Ok(file) = File::open(&path)
                {
                    packs.packs.push((path, Mutex::new(file)));
                }
            }
        }
        packs
    }

    fn add(&mut self, path: &Path) -> Option<()> {
        let mut file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(size.checked_sub(FOOTER)?)).ok()?;
        let mut footer = [0; FOOTER as usize];
        file.read_exact(&mut footer).ok()?;
        let word = |at: usize| -> u64 {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&footer[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (offset, length, checksum) = (word(0), word(8), word(16));
        if &footer[24..] != MAGIC || offset.checked_add(length)?.checked_add(FOOTER)? != size {
            return None;
        }
        file.seek(SeekFrom::Start(offset)).ok()?;
        let mut index = vec![0; usize::try_from(length).ok()?];
        file.read_exact(&mut index).ok()?;
        if xxh3_64(&index) != checksum {
            return None;
        }
        let pack = self.packs.len();
        for entry in index.chunks_exact(INDEX_ENTRY) {
            let (key, rest) = entry.split_first_chunk::<16>()?;
            let (start, rest) = rest.split_first_chunk::<8>()?;
            let (length, rest) = rest.split_first_chunk::<8>()?;
            let (checksum, _) = rest.split_first_chunk::<8>()?;
            let entry = Entry {
                pack,
                offset: u64::from_le_bytes(*start),
                length: u64::from_le_bytes(*length),
                checksum: u64::from_le_bytes(*checksum),
            };
            if entry.offset.checked_add(entry.length)? > offset {
                return None;
            }
            self.entries.insert(u128::from_le_bytes(*key), entry);
        }
        self.packs.push((path.to_path_buf(), Mutex::new(file)));
        Some(())
    }

    fn read(&self, key: u128) -> Option<Vec<u8>> {
        let entry = self.entries.get(&key)?;
        let (_, file) = self.packs.get(entry.pack)?;
        let mut bytes = vec![0; usize::try_from(entry.length).ok()?];
        {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(entry.offset)).ok()?;
            file.read_exact(&mut bytes).ok()?;
        }
        (xxh3_64(&bytes) == entry.checksum).then_some(bytes)
    }
}

/// The pack that this run writes, if it has anything to write.
enum Writer {
    Idle,
    Open(PackWriter),
    /// The directory cannot be written.
    Refused,
}

impl Writer {
    fn append(&mut self, directory: &Path, key: u128, bytes: &[u8]) {
        if let Self::Idle = self {
            *self = match PackWriter::create(directory) {
                Ok(pack) => Self::Open(pack),
                Err(_) => Self::Refused,
            };
        }
        if let Self::Open(pack) = self
            && pack.append(key, bytes).is_err()
        {
            *self = Self::Refused;
        }
    }
}

struct PackWriter {
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    index: Vec<u8>,
    renamed: bool,
}

impl PackWriter {
    fn create(directory: &Path) -> io::Result<Self> {
        prepare(directory)?;
        let path = temporary(directory);
        let file = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
        Ok(Self {
            path,
            file,
            offset: 0,
            index: Vec::new(),
            renamed: false,
        })
    }

    fn append(&mut self, key: u128, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let length = bytes.len() as u64;
        self.index.extend_from_slice(&key.to_le_bytes());
        for word in [self.offset, length, xxh3_64(bytes)] {
            self.index.extend_from_slice(&word.to_le_bytes());
        }
        self.offset += length;
        Ok(())
    }

    fn finish(mut self, directory: &Path) -> io::Result<()> {
        let checksum = xxh3_64(&self.index);
        self.file.write_all(&self.index)?;
        for word in [self.offset, self.index.len() as u64, checksum] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(MAGIC)?;
        self.file.flush()?;
        // Two runs that computed the same make the same pack.
        let name = format!("facts-{checksum:016x}.pack");
        fs::rename(&self.path, directory.join(name))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory, hidden from version control and from backups.
fn prepare(directory: &Path) -> io::Result<()> {
    if directory.join(".gitignore").exists() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let tag =
        "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of raceproof.\n";
    fs::write(directory.join("CACHEDIR.TAG"), tag)?;
    fs::write(directory.join(".gitignore"), "*\n")
}

/// A name in the directory that no other run uses.
fn temporary(directory: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let process = std::process::id();
    directory.join(format!("{process}-{count}-{since:x}.tmp"))
}

/// Files of the directory with their time, by name.
fn entries(directory: &Path) -> Vec<(PathBuf, SystemTime)> {
    let Ok(listing) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = listing
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?)))
        .collect();
    entries.sort();
    entries
}
