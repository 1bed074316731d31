#!/usr/bin/env bash
# Proves dashboard and alerts on a running stack: a real Prometheus scrapes it on loopback, then every query of the
# dashboard and every rule is asked. One line each, tab-separated:  verdict  what  rows  (why an empty answer is right)
#
#   deploy/check.sh [-g HOST:PORT] [-r HOST:PORT] [-e HOST:PORT] [-s SECONDS] [-p PORT]
#     -g  the gateway's metrics       (127.0.0.1:8080, as `trimtab up` opens it)
#     -r  the reward server's         (127.0.0.1:8083)
#     -e  the engine's                (127.0.0.1:8082)
#     -s  how long to watch first     (30; longer where that was not enough. Traffic is the caller's: `trimtab demo`, say)
#     -p  where this Prometheus binds (9190)
#
# A query may come up empty only where its panel says what that means ("noValue" in the dashboard). Ends with 0 when all is well.
# Needs prometheus and promtool (Debian: prometheus), curl and jq.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

gateway=127.0.0.1:8080 rewardserve=127.0.0.1:8083 engine=127.0.0.1:8082 seconds=30 port=9190
while getopts g:r:e:s:p: option; do
  case $option in
    g) gateway=$OPTARG ;;
    r) rewardserve=$OPTARG ;;
    e) engine=$OPTARG ;;
    s) seconds=$OPTARG ;;
    p) port=$OPTARG ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
for tool in prometheus promtool curl jq; do
  command -v "$tool" >/dev/null || { echo "check.sh needs $tool" >&2; exit 3; }
done

work=$(mktemp -d) pid='' failures=0
finish() { [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

say() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4-}"; [ "$1" != FAIL ] || failures=$((failures + 1)); }

# The shipped configuration, with this machine's addresses and a scrape every two seconds.
configure() {
  sed -e "s/gateway:8080/$gateway/" -e "s/rewardserve:8083/$rewardserve/" -e "s/engine:8082/$engine/" -e "s/localhost:9090/127.0.0.1:$port/" \
      -e 's/^\( *scrape_interval:\).*/\1 2s/' -e 's/^\( *scrape_timeout:\).*/\1 2s/' -e 's/^\( *evaluation_interval:\).*/\1 1s/' \
      "$here/prometheus/prometheus.pocket.yml" >"$work/prometheus.yml"
  cp "$here/prometheus/alerts.yml" "$work/alerts.yml"
  promtool check config "$work/prometheus.yml" >"$work/check.log" || { cat "$work/check.log" >&2; exit 1; }
}

api() { curl -fsS --max-time 10 "http://127.0.0.1:$port/api/v1/$1" "${@:2}"; }

start() {
  prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$port" --log.level=warn >"$work/prometheus.log" 2>&1 &
  pid=$!
  for _ in $(seq 100); do
    curl -fsS --max-time 1 "http://127.0.0.1:$port/-/ready" >/dev/null 2>&1 && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "Prometheus did not start:" >&2; cat "$work/prometheus.log" >&2; exit 1
}

# shellcheck disable=SC2016  # the dollars are Grafana's
# Grafana's variables, as it would fill them in with everything chosen.
filled() {
  local expr=$1 name
  expr=${expr//'$__rate_interval'/${window}s}
  expr=${expr//'$__range'/${window}s}
  for name in instance alias version; do expr=${expr//"\"\$$name\""/'".*"'}; done
  printf '%s' "$expr"
}

rows() { api query --data-urlencode "query=$1" | jq '.data.result | length'; }

# Until enough was asked and counted, however busy this machine is; then everything is asked over the whole of that time.
watch() {
  local asked='sum(max_over_time(trimtab_requests_total{route="chat"}[10m])) >= 10 and count(max_over_time(up[10m]) == 1) == count(up)'
  sleep "$seconds"
  for _ in $(seq 60); do
    [ "$(rows "$asked")" = 0 ] || break
    sleep 2
  done
  window=$(($(date +%s) - began))
}

targets() {
  local job up
  while IFS=$'\t' read -r job up; do
    say "$([ "$up" = 1 ] && echo ok || echo FAIL)" "target $job" "$up"
  done < <(api query --data-urlencode 'query=max_over_time(up[10m])' | jq -r '.data.result[] | [.metric.job, .value[1]] | @tsv')
}

queries() {
  local title ref empty expr found
  while IFS=$'\x1f' read -r title ref empty expr; do
    found=$(rows "$(filled "$expr")") || { say FAIL "panel $title $ref" 0 "the query was refused"; continue; }
    if [ "$found" -gt 0 ]; then say ok "panel $title $ref" "$found"
    elif [ -n "$empty" ] && [ "$empty" != – ]; then say empty "panel $title $ref" 0 "$empty"
    else say FAIL "panel $title $ref" 0 "no data, and the panel does not say what that would mean"; fi
  done < <(jq -r '[.panels[] | if .type == "row" then .panels[] else . end] | .[] | . as $p | .targets[]
    | [$p.title, .refId, ($p.fieldConfig.defaults.noValue // ""), .expr] | join("\u001f")' "$here/grafana/dashboards/trimtab.json")
}

variables() {
  local name query label selector found
  while IFS=$'\t' read -r name query; do
    selector=${query#label_values(} label=${selector##*, } selector=${selector%, *} label=${label%)}
    found=$(api "label/$label/values" -G --data-urlencode "match[]=$(filled "$selector")" | jq '.data | length')
    if [ "$found" -gt 0 ]; then say ok "variable $name" "$found"; else say FAIL "variable $name" 0 "nothing to choose from"; fi
  done < <(jq -r '.templating.list[] | select(.type == "query") | [.name, .query.query] | @tsv' "$here/grafana/dashboards/trimtab.json")
}

annotations() {
  local name expr found
  while IFS=$'\x1f' read -r name expr; do
    found=$(api query_range --data-urlencode "query=$expr" --data "start=$began&end=$(date +%s)&step=1" | jq '.data.result | length') ||
      { say FAIL "annotation $name" 0 "the query was refused"; continue; }
    if [ "$found" -gt 0 ]; then say ok "annotation $name" "$found"; else say empty "annotation $name" 0 "it did not happen meanwhile"; fi
  done < <(jq -r '.annotations.list[] | select(.target) | [.name, .target.expr] | join("\u001f")' "$here/grafana/dashboards/trimtab.json")
}

rules() {
  local kind name health state error
  while IFS=$'\t' read -r kind name health state error; do
    if [ "$health" != ok ]; then say FAIL "$kind $name" 0 "$health: $error"
    elif [ "$kind" = recording ] || [ "$state" = inactive ]; then say ok "$kind $name" 1 "$state"
    else say "$state" "$kind $name" 1 "on this stack, now"; fi
  done < <(api rules | jq -r '.data.groups[].rules[] | [.type, .name, .health, (.state // "evaluates"), (.lastError // "")] | @tsv')
}

configure
start
began=$(date +%s)
watch
targets
variables
queries
annotations
rules
if grep -E 'level=(warn|error)' "$work/prometheus.log" | grep -v 'log.level' >&2; then failures=$((failures + 1)); fi
[ "$failures" = 0 ] || { echo "$failures not as they should be" >&2; exit 1; }
