"""Files that are no text: what they are, and the command that tells what is in them."""

from pathlib import PurePath

# (what it is, beginnings of the file, endings of the name, a command that looks inside; {} stands for the path)
_KINDS: tuple[tuple[str, tuple[bytes, ...], tuple[str, ...], str], ...] = (
    ("a PDF document", (b"%PDF-",), (".pdf",), "pdftotext -layout {} - | head -200"),
    ("a Parquet table", (b"PAR1",), (".parquet",),
     "python -c 'import sys, pyarrow.parquet as q; f = q.ParquetFile(sys.argv[1]); print(f.schema_arrow)' {}"),
    ("an HDF5 file", (b"\x89HDF",), (".h5", ".hdf5"),
     "python -c 'import sys, h5py; h5py.File(sys.argv[1]).visititems(print)' {}"),
    ("a GGUF model", (b"GGUF",), (".gguf",), "python -m gguf.scripts.gguf_dump {}"),
    ("an SQLite database", (b"SQLite format 3\0",), (".sqlite", ".db"), "sqlite3 -readonly {} .schema"),
    ("a NumPy array", (b"\x93NUMPY",), (".npy",),
     "python -c 'import sys, numpy as n; a = n.load(sys.argv[1], mmap_mode=\"r\"); print(a.shape, a.dtype, a)' {}"),
    ("a NumPy archive", (), (".npz",),
     "python -c 'import sys, numpy as n; print({k: (a.shape, a.dtype) for k, a in n.load(sys.argv[1]).items()})' {}"),
    ("a safetensors checkpoint", (), (".safetensors",),
     "python -c 'import sys, struct; f = open(sys.argv[1], \"rb\"); "
     "print(f.read(struct.unpack(\"<Q\", f.read(8))[0]).decode()[:5000])' {}"),
    ("a PyTorch checkpoint", (), (".pt", ".pth", ".ckpt", ".bin"),
     "python -c 'import sys, torch; d = torch.load(sys.argv[1], map_location=\"cpu\", weights_only=True); "
     "print({k: getattr(v, \"shape\", type(v)) for k, v in d.items()})' {}"),
    ("an ONNX model", (), (".onnx",),
     "python -c 'import sys, onnx; g = onnx.load(sys.argv[1], load_external_data=False).graph; "
     "print(g.input, g.output, len(g.node))' {}"),
    ("a pickle (unpickling runs code; trust its source first)", (), (".pkl", ".pickle"),
     "python -m pickletools {} | head -50"),
    ("an Arrow file", (b"ARROW1",), (".arrow", ".feather"),
     "python -c 'import sys, pyarrow.feather as f; print(f.read_table(sys.argv[1], memory_map=True).schema)' {}"),
    ("gzip-compressed", (b"\x1f\x8b",), (".gz", ".tgz"), "gzip -dc {} | head -c 2000"),
    ("zstd-compressed", (b"\x28\xb5\x2f\xfd",), (".zst",), "zstd -dc {} | head -c 2000"),
    ("a zip archive", (b"PK\x03\x04",), (".zip", ".whl"), "unzip -l {}"),
    ("a tar archive", (), (".tar",), "tar -tvf {} | head -50"),
    ("a program or library", (b"\x7fELF", b"\xcf\xfa\xed\xfe"), (".so",), "file {}"),
)  # fmt: skip


def explain(path: PurePath, head: bytes, quoted: str) -> str:
    """What the binary file PATH is, by its name (a checkpoint is a zip too), else by its first bytes; what to do."""
    name = path.name.lower()
    for what, beginnings, _, command in (
        *(kind for kind in _KINDS if name.endswith(kind[2])),
        *(kind for kind in _KINDS if kind[1] and head.startswith(kind[1])),
    ):
        if not beginnings or head.startswith(beginnings):
            return f"{what}. To look inside, use Bash: {command.replace('{}', quoted)}"
    return f"binary. To look inside, use Bash: file {quoted}; xxd {quoted} | head -20"


def is_pdf(head: bytes) -> bool:
    """Whether the file is a PDF, which may hold no NUL byte at first."""
    return head.startswith(b"%PDF-")
