# What jq 1.7 has and jaq has not, as far as it needs nothing from outside.

def halt_error: error;
def halt_error($status): error;

def toarray: if isarray then . else [.] end;
def ascii: [.] | implode;
def trimstr($part): ltrimstr($part) | rtrimstr($part);
def leaf_paths: paths(scalars);

# jq takes other names of the members, and makes keys strings.
def from_entries:
  def first_of(values): first((values | select(. != null)), null);
  reduce .[] as $entry ({};
    . + ($entry | {
      (first_of(.key, .k, .name, .Name, .K, .Key) | tostring): first_of(.value, .v, .Value)
    }));
def with_entries(f): to_entries | map(f) | from_entries;

def IN(stream): any(stream == .; .);
def IN(source; stream): any(source == stream; .);
def INDEX(stream; key): reduce stream as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; stream; key): stream | [., $index[key]];

def tostream:
  path(def leaves: (.[]? | leaves), .; leaves) as $path
  | getpath($path)
  | reduce path(.[]?) as $last ([$path, .]; [$path + $last]);

def _row(text; kind):
  if isarray then map(
      if . == null then ""
      elif isstring then text
      elif isarray or isobject then error("\(type) is not valid in a \(kind) row")
      else tostring end)
  else error("\(type) cannot be formatted as \(kind), only an array can") end;
def @csv: _row("\"" + (. / "\"" | join("\"\"")) + "\""; "CSV") | join(",");
def @tsv:
  def escaped(old; new): . / old | join(new);
  _row(escaped("\\"; "\\\\") | escaped("\t"; "\\t") | escaped("\n"; "\\n") | escaped("\r"; "\\r"); "TSV")
  | join("\t");
