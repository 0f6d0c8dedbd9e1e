"""How a report's page looks: light and dark, on a phone and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1d21; --quiet: #5a606b; --grid: #c9ced6;
  --gap: #e9dcc9; --panel: #f3f5f8;
  --c0: #0067a5; --c1: #c24a00; --c2: #00805c; --c3: #a8437f; --c4: #8a6d00;
  --c5: #2f7f9e; --c6: #6d4fc2; --c7: #b3261e; --c8: #4f6b1f; --c9: #7a5230;
  --c10: #3d5a99; --c11: #6b6b6b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171c; --ink: #e8eaee; --quiet: #a5acb8; --grid: #4a505c;
    --gap: #3d3527; --panel: #20242b;
    --c0: #5fb4ee; --c1: #ff9a57; --c2: #4fcfa4; --c3: #ee93c8; --c4: #e2c344;
    --c5: #8fd0e8; --c6: #b9a3ff; --c7: #ff8f86; --c8: #b5d67a; --c9: #d9ae84;
    --c10: #9db6ee; --c11: #b8b8b8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.quiet, figcaption { color: var(--quiet); }
ul { padding-left: 1.2rem; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr));
  gap: .75rem; margin: 1rem 0;
}
.tiles div { background: var(--panel); border-radius: .5rem; padding: .6rem .8rem; }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
dd.quiet { font-size: .9rem; }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; max-width: 30rem; height: auto; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif !important; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { font-size: .9rem; max-width: 40rem; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { padding: .3rem .6rem; text-align: right; }
tr { border-bottom: 1px solid var(--grid); }
td { white-space: nowrap; }
thead th {
  color: var(--quiet); font-weight: 500; vertical-align: bottom; min-width: 5.5rem;
}
tr > :first-child { text-align: left; font-weight: 400; min-width: 8rem; }
tbody tr:hover { background: var(--panel); }
summary { cursor: pointer; padding: .4rem 0; }
details table caption { display: none; }
@media print {
  .wide { overflow: visible; } figure, tr { break-inside: avoid; }
}
"""
