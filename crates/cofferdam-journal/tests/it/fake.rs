//! A disk in memory that fails on demand: page cache and platter apart, per sector; names and their durability apart.
//!
//! A crash keeps each unsynced sector and each unsynced name or loses it, by coin. A failed fdatasync leaves the pages clean
//! in the cache, as the kernel does. Handles from before a crash fail. Whoever writes or syncs a file again after its
//! fdatasync failed is noted in `violations`.

use cofferdam_journal::{File, FileLayer};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

const SECTOR: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Create,
    Write,
    Sync,
    SyncDir,
    Rename,
    Remove,
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing is done, an error is returned. For a sync: the pages are dropped.
    Fail,
    /// It is done, and an error is returned.
    DoneButFail,
    /// A part is done, then an error is returned.
    HalfAndFail,
    /// A part is done, and reported so (writes only).
    Short,
    /// As EINTR.
    Interrupted,
}

#[derive(Debug, Default)]
struct Node {
    live: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Fs {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
    boot: u32,
    armed: Vec<(Op, u32, Effect)>,
    /// Total bytes that fit.
    capacity: Option<usize>,
    random: u64,
    ops: BTreeMap<Op, u64>,
    violations: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Fs>>);

#[derive(Debug)]
struct Layer {
    disk: Disk,
    boot: u32,
}

#[derive(Debug)]
struct Handle {
    disk: Disk,
    boot: u32,
    node: usize,
    path: PathBuf,
    failed: AtomicBool,
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn enospc() -> io::Error {
    io::Error::from_raw_os_error(28)
}

impl Fs {
    fn coin(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.random ^ (self.random >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }

    fn check(&mut self, boot: u32, op: Op) -> io::Result<Option<Effect>> {
        if boot != self.boot {
            return Err(eio());
        }
        *self.ops.entry(op).or_default() += 1;
        let mut hit = None;
        for (at, (armed, countdown, effect)) in self.armed.iter_mut().enumerate() {
            if *armed == op {
                if *countdown == 0 {
                    hit = Some((at, *effect));
                    break;
                }
                *countdown -= 1;
            }
        }
        Ok(hit.map(|(at, effect)| {
            self.armed.remove(at);
            effect
        }))
    }

    fn flush(&mut self, node: usize, lose: bool) {
        let dirty = std::mem::take(&mut self.nodes[node].dirty);
        for sector in dirty {
            if lose && self.coin().is_multiple_of(2) {
                continue;
            }
            let node = &mut self.nodes[node];
            let from = sector * SECTOR;
            let to = node.live.len().min(from + SECTOR);
            if from < to {
                if node.disk.len() < to {
                    node.disk.resize(to, 0);
                }
                node.disk[from..to].copy_from_slice(&node.live[from..to]);
            }
        }
    }
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().random = seed;
        disk
    }

    /// What a process started now uses.
    pub(crate) fn layer(&self) -> Arc<dyn FileLayer> {
        let boot = self.0.lock().unwrap().boot;
        Arc::new(Layer {
            disk: self.clone(),
            boot,
        })
    }

    /// The process dies; the cache stays.
    pub(crate) fn kill(&self) {
        self.0.lock().unwrap().boot += 1;
    }

    /// The power fails.
    pub(crate) fn crash(&self) {
        let mut fs = self.0.lock().unwrap();
        fs.boot += 1;
        for node in 0..fs.nodes.len() {
            fs.flush(node, true);
            let node = &mut fs.nodes[node];
            node.live = node.disk.clone();
        }
        let all: BTreeSet<PathBuf> = fs
            .names
            .keys()
            .chain(fs.durable_names.keys())
            .cloned()
            .collect();
        for path in all {
            let (live, durable) = (
                fs.names.get(&path).copied(),
                fs.durable_names.get(&path).copied(),
            );
            let kept = if live == durable || fs.coin().is_multiple_of(2) {
                live
            } else {
                durable
            };
            match kept {
                Some(node) => {
                    fs.names.insert(path.clone(), node);
                    fs.durable_names.insert(path, node);
                }
                None => {
                    fs.names.remove(&path);
                    fs.durable_names.remove(&path);
                }
            }
        }
    }

    /// After `countdown` more operations of this kind, one has this effect.
    pub(crate) fn arm(&self, op: Op, countdown: u32, effect: Effect) {
        self.0.lock().unwrap().armed.push((op, countdown, effect));
    }

    pub(crate) fn heal(&self) {
        let mut fs = self.0.lock().unwrap();
        fs.armed.clear();
        fs.capacity = None;
    }

    /// How many armed effects have not come about.
    pub(crate) fn armed(&self) -> usize {
        self.0.lock().unwrap().armed.len()
    }

    /// Leaves room for `bytes` more.
    pub(crate) fn leave_room(&self, bytes: usize) {
        let mut fs = self.0.lock().unwrap();
        fs.capacity = Some(used(&fs) + bytes);
    }

    pub(crate) fn ops(&self, op: Op) -> u64 {
        self.0.lock().unwrap().ops.get(&op).copied().unwrap_or(0)
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.0.lock().unwrap().violations.clone()
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.0.lock().unwrap().names.keys().cloned().collect()
    }

    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        let fs = self.0.lock().unwrap();
        fs.nodes[fs.names[path]].live.clone()
    }

    /// Turns a bit over in the cache.
    pub(crate) fn flip(&self, path: &Path, byte: usize) {
        let mut fs = self.0.lock().unwrap();
        let node = fs.names[path];
        fs.nodes[node].live[byte] ^= 4;
    }

    /// Puts a file there, durably.
    pub(crate) fn place(&self, path: &Path, bytes: &[u8]) {
        let mut fs = self.0.lock().unwrap();
        let node = fs.nodes.len();
        fs.nodes.push(Node {
            live: bytes.to_vec(),
            disk: bytes.to_vec(),
            dirty: BTreeSet::new(),
        });
        fs.names.insert(path.to_path_buf(), node);
        fs.durable_names.insert(path.to_path_buf(), node);
    }
}

fn used(fs: &Fs) -> usize {
    fs.names
        .values()
        .map(|node| fs.nodes[*node].live.len())
        .sum()
}

impl Layer {
    fn handle(&self, node: usize, path: &Path) -> Arc<dyn File> {
        Arc::new(Handle {
            disk: self.disk.clone(),
            boot: self.boot,
            node,
            path: path.to_path_buf(),
            failed: AtomicBool::new(false),
        })
    }
}

impl FileLayer for Layer {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let fs = self.disk.0.lock().unwrap();
        let here = fs.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(here
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut fs = self.disk.0.lock().unwrap();
        let effect = fs.check(self.boot, Op::Create)?;
        if effect == Some(Effect::Fail) || fs.capacity.is_some_and(|capacity| used(&fs) >= capacity)
        {
            return Err(enospc());
        }
        if fs.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = fs.nodes.len();
        fs.nodes.push(Node::default());
        fs.names.insert(path.to_path_buf(), node);
        drop(fs);
        match effect {
            Some(_) => Err(eio()),
            None => Ok(self.handle(node, path)),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let fs = self.disk.0.lock().unwrap();
        let node = *fs.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        drop(fs);
        Ok(self.handle(node, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut fs = self.disk.0.lock().unwrap();
        if fs.check(self.boot, Op::Rename)?.is_some() {
            return Err(eio());
        }
        let node = fs.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        fs.names.insert(to.to_path_buf(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut fs = self.disk.0.lock().unwrap();
        if fs.check(self.boot, Op::Remove)?.is_some() {
            return Err(eio());
        }
        fs.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut fs = self.disk.0.lock().unwrap();
        let effect = fs.check(self.boot, Op::SyncDir)?;
        if matches!(effect, None | Some(Effect::DoneButFail)) {
            let live: Vec<(PathBuf, usize)> = fs
                .names
                .iter()
                .filter(|(path, _)| path.parent() == Some(dir))
                .map(|(path, node)| (path.clone(), *node))
                .collect();
            fs.durable_names
                .retain(|path, _| path.parent() != Some(dir));
            fs.durable_names.extend(live);
        }
        effect.map_or(Ok(()), |_| Err(eio()))
    }
}

impl Handle {
    fn touch(&self, doing: &str) {
        if self.failed.load(Ordering::SeqCst) {
            let note = format!("{doing} {} after its sync failed", self.path.display());
            self.disk.0.lock().unwrap().violations.push(note);
        }
    }
}

impl File for Handle {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut fs = self.disk.0.lock().unwrap();
        if fs.check(self.boot, Op::Read)?.is_some() {
            return Err(eio());
        }
        let live = &fs.nodes[self.node].live;
        let from = live.len().min(offset as usize);
        let count = bytes.len().min(live.len() - from);
        bytes[..count].copy_from_slice(&live[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.touch("write");
        let mut fs = self.disk.0.lock().unwrap();
        let effect = fs.check(self.boot, Op::Write)?;
        let mut count = match effect {
            Some(Effect::Fail) => return Err(eio()),
            Some(Effect::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Effect::Short | Effect::HalfAndFail) => bytes.len().div_ceil(2),
            _ => bytes.len(),
        };
        let offset = offset as usize;
        let grows = (offset + count).saturating_sub(fs.nodes[self.node].live.len());
        if let Some(capacity) = fs.capacity {
            let room = capacity.saturating_sub(used(&fs));
            if grows > room {
                count = count.saturating_sub(grows - room);
                if count == 0 {
                    return Err(enospc());
                }
            }
        }
        let node = &mut fs.nodes[self.node];
        if node.live.len() < offset + count {
            node.live.resize(offset + count, 0);
        }
        node.live[offset..offset + count].copy_from_slice(&bytes[..count]);
        node.dirty
            .extend(offset / SECTOR..=(offset + count).saturating_sub(1) / SECTOR);
        match effect {
            Some(Effect::DoneButFail | Effect::HalfAndFail) => Err(eio()),
            _ => Ok(count),
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().nodes[self.node].live.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.touch("sync");
        let mut fs = self.disk.0.lock().unwrap();
        let effect = fs.check(self.boot, Op::Sync)?;
        match effect {
            None | Some(Effect::DoneButFail) => fs.flush(self.node, false),
            Some(Effect::HalfAndFail) => fs.flush(self.node, true),
            Some(_) => fs.nodes[self.node].dirty.clear(),
        }
        if effect.is_some() {
            self.failed.store(true, Ordering::SeqCst);
            return Err(eio());
        }
        Ok(())
    }
}
