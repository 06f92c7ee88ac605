"""How an exported page looks: light or dark as the reader has it, from a phone's width on. No font, no picture."""

STYLE = """
:root { color-scheme: light dark; --bg: #fcfcfb; --fg: #1f2328; --muted: #5d6672; --line: #d9dce1; --box: #f3f4f5;
  --agent: #7a3e9d; --good: #1a6d38; --bad: #b3261e; --add: #e2f4e5; --del: #fbe6e4; --warn: #8a5a00; --link: #1a5fb4 }
@media (prefers-color-scheme: dark) { :root { --bg: #15171a; --fg: #dfe2e6; --muted: #99a1ab; --line: #33383f;
  --box: #1d2024; --agent: #c99ae6; --good: #7fce95; --bad: #f28b82; --add: #16301d; --del: #3a1c1c; --warn: #e0b050;
  --link: #8ab4f8 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 58rem; background: var(--bg); color: var(--fg);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; color: var(--muted); font-weight: 600 }
pre, code { font: .85rem/1.45 ui-monospace, monospace }
pre { margin: .5rem 0; padding: .6rem .8rem; background: var(--box); border-radius: 6px; overflow-x: auto;
  white-space: pre-wrap }
code { background: var(--box); padding: .1em .3em; border-radius: 4px }
pre code { padding: 0; background: none }
a { color: var(--link) }
blockquote { margin: .5rem 0; padding-left: .8rem; border-left: 3px solid var(--line); color: var(--muted) }
.md { overflow-x: auto }
.md table { border-collapse: collapse; font-size: .9rem }
.md td, .md th { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left }
.md p { margin: .5rem 0 }
p.h { font-weight: 700; margin: 1rem 0 .3rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0 }
dt { color: var(--muted) } dd { margin: 0 }
.verdict { padding: .5rem .8rem; border-radius: 6px; border: 1px solid var(--line); margin: .8rem 0 }
.good { color: var(--good) } .bad { color: var(--bad) } .warn { color: var(--warn) }
.quiet, .to, .away, time { color: var(--muted); font-size: .85rem }
section { border-top: 1px solid var(--line); padding: .6rem 0 }
.prompt { border-left: 4px solid var(--link); padding: .1rem .9rem; margin: 1.2rem 0; background: var(--box);
  border-radius: 0 6px 6px 0 }
.told { border-left: 4px solid var(--line); padding: .1rem .9rem; margin: .8rem 0 }
.who { font-size: .85rem; color: var(--muted); margin: .4rem 0 0 } .who b { color: var(--fg) }
details { margin: .35rem 0; border: 1px solid var(--line); border-radius: 6px; padding: .3rem .7rem }
summary { cursor: pointer; font-size: .9rem }
summary b { color: var(--agent) }
details[open] > summary { margin-bottom: .3rem }
.diff { padding: .4rem 0 } .diff span { display: block; padding: 0 .8rem; min-height: 1.45em }
.diff .a { background: var(--add) } .diff .d { background: var(--del) } .diff .at { color: var(--muted) }
ul { padding-left: 1.2rem; margin: .4rem 0 } li { margin: .15rem 0 }
.note { font-size: .9rem; margin: .15rem 0 } .note ul, .note p { margin: .1rem 0 }
img { max-width: 100%; border: 1px solid var(--line); border-radius: 6px }
.runs { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .8rem }
.runs figure { margin: 0; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 6px }
.runs figcaption { font-size: .9rem } svg { width: 100%; height: 5rem; display: block; margin-top: .4rem }
svg polyline { fill: none; stroke: var(--agent); stroke-width: 1.5; vector-effect: non-scaling-stroke }
@media (max-width: 30rem) { body { font-size: 15px; padding: 1rem .7rem 3rem }
  dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .4rem } }
@media print { details { break-inside: avoid } body { max-width: none } }
"""
