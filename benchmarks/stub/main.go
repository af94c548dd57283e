// Command stub is a DynamoDB that costs next to nothing: it serves canned pages and
// swallows batches after a fixed service time, so that a benchmark measures the
// client. It stores nothing.
//
//	stub -items 1000000 -kind small -service-time 5ms [-tls DIR] [-check]
//
// It prints one line of JSON with its port, then serves until standard input closes.
// A table holds the number of items that its name ends with ("bench-200000"), else
// -items, in Scan; BatchWriteItem and PutItem are counted
// and forgotten. GET /stats answers what was served, POST /reset sets it to zero.
// With -check each request is held against the rules: a SigV4 signature that fits,
// 25 items at most, no key twice in a batch.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const jsonType = "application/x-amz-json-1.0"

type stats struct {
	ItemsScanned, ItemsWritten, Scans, Writes, Refused, Connections int64
	InFlight, PeakInFlight                                          int64
}

type server struct {
	items       int
	page        page
	serviceTime time.Duration
	check       bool
	stats       stats
}

type scanRequest struct {
	TableName         string
	Segment           int
	TotalSegments     int
	ExclusiveStartKey map[string]map[string]string
}

func main() {
	items := flag.Int("items", 100_000, "items of the table")
	kind := flag.String("kind", "small", "shape of the items: small, big or mixed")
	serviceTime := flag.Duration("service-time", 5*time.Millisecond, "wait before an answer")
	tlsDir := flag.String("tls", "", "serve HTTPS; the CA's certificate is written there as ca.pem")
	check := flag.Bool("check", false, "verify signatures, batch sizes and duplicate keys")
	flag.Parse()

	s := &server{items: *items, page: newPage(*kind), serviceTime: *serviceTime, check: *check}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if *tlsDir != "" {
		config, err := selfSigned(*tlsDir)
		if err != nil {
			log.Fatal(err)
		}
		listener = tls.NewListener(listener, config)
	}
	fmt.Printf("{\"port\": %d, \"item_bytes\": %d, \"page_items\": %d}\n",
		port, len(s.page.items)/s.page.count(), s.page.count())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	web := &http.Server{Handler: s, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			atomic.AddInt64(&s.stats.Connections, 1)
		}
	}, ErrorLog: log.New(io.Discard, "", 0)}
	log.Fatal(web.Serve(listener))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/stats":
		_ = json.NewEncoder(w).Encode(&s.stats)
		return
	case "/reset":
		s.stats = stats{}
		return
	}
	inFlight := atomic.AddInt64(&s.stats.InFlight, 1)
	defer atomic.AddInt64(&s.stats.InFlight, -1)
	if inFlight > atomic.LoadInt64(&s.stats.PeakInFlight) {
		atomic.StoreInt64(&s.stats.PeakInFlight, inFlight)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if s.check {
		if fault := verify(r, operation, body); fault != "" {
			atomic.AddInt64(&s.stats.Refused, 1)
			answer(w, 400, []byte(`{"__type":"com.amazon.coral.validate#ValidationException","message":"`+fault+`"}`))
			return
		}
	}
	if operation == "Scan" || operation == "BatchWriteItem" || operation == "PutItem" {
		time.Sleep(s.serviceTime)
	}
	status, reply := s.reply(operation, body)
	answer(w, status, reply)
}

func answer(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (s *server) reply(operation string, body []byte) (int, []byte) {
	switch operation {
	case "Scan":
		return s.scan(body)
	case "BatchWriteItem":
		items := int64(bytes.Count(body, []byte(`"PutRequest"`)) + bytes.Count(body, []byte(`"DeleteRequest"`)))
		atomic.AddInt64(&s.stats.Writes, 1)
		atomic.AddInt64(&s.stats.ItemsWritten, items)
		return 200, []byte(fmt.Sprintf(`{"ConsumedCapacity":[%s],"UnprocessedItems":{}}`, consumed(items)))
	case "PutItem":
		atomic.AddInt64(&s.stats.Writes, 1)
		atomic.AddInt64(&s.stats.ItemsWritten, 1)
		return 200, []byte(fmt.Sprintf(`{"ConsumedCapacity":%s}`, consumed(1)))
	case "DescribeTable":
		return 200, s.describe(body)
	case "DescribeTimeToLive":
		return 200, []byte(`{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`)
	}
	return 400, []byte(`{"__type":"com.amazon.coral.service#UnknownOperationException","message":"the stub has no ` + operation + `"}`)
}

// consumed is what a request cost, as ReturnConsumedCapacity=INDEXES has it.
func consumed(units int64) string {
	return fmt.Sprintf(`{"CapacityUnits":%d.0,"Table":{"CapacityUnits":%d.0},"TableName":"t"}`, units, units)
}

// itemsOf reads the size of a table from its name, such as "bench-200000".
func (s *server) itemsOf(table string) int {
	if items, err := strconv.Atoi(table[strings.LastIndexByte(table, '-')+1:]); err == nil {
		return items
	}
	return s.items
}

// scan answers with the page that the start key names: "SEGMENT-ITEM".
func (s *server) scan(body []byte) (int, []byte) {
	request := scanRequest{TotalSegments: 1}
	if err := json.Unmarshal(body, &request); err != nil {
		return 400, []byte(`{"__type":"com.amazon.coral.service#SerializationException"}`)
	}
	items := s.itemsOf(request.TableName)
	held := items / request.TotalSegments
	if request.Segment < items%request.TotalSegments {
		held++
	}
	first := 0
	if key, ok := request.ExclusiveStartKey["id"]; ok {
		_, item, _ := strings.Cut(key["S"], "-")
		first, _ = strconv.Atoi(item)
	}
	count := min(held-first, s.page.count())
	atomic.AddInt64(&s.stats.Scans, 1)
	atomic.AddInt64(&s.stats.ItemsScanned, int64(count))
	var reply bytes.Buffer
	reply.Grow(len(s.page.items) + 512)
	units := int64(count*len(s.page.items)/s.page.count()/8192 + 1)
	fmt.Fprintf(&reply, `{"ConsumedCapacity":%s,"Count":%d,"ScannedCount":%d,"Items":[`, consumed(units), count, count)
	reply.Write(s.page.first(count))
	reply.WriteByte(']')
	if first+count < held {
		fmt.Fprintf(&reply, `,"LastEvaluatedKey":{"id":{"S":"%d-%d"}}`, request.Segment, first+count)
	}
	reply.WriteByte('}')
	return 200, reply.Bytes()
}

func (s *server) describe(body []byte) []byte {
	var request struct{ TableName string }
	_ = json.Unmarshal(body, &request)
	items := s.itemsOf(request.TableName)
	size := items * len(s.page.items) / s.page.count()
	return []byte(fmt.Sprintf(`{"Table":{"TableName":%[1]q,"TableStatus":"ACTIVE","TableId":%[1]q,`+
		`"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/%[2]s",`+
		`"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],`+
		`"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"ItemCount":%[3]d,"TableSizeBytes":%[4]d,`+
		`"CreationDateTime":1.7e9,"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},`+
		`"ProvisionedThroughput":{"NumberOfDecreasesToday":0,"ReadCapacityUnits":0,"WriteCapacityUnits":0}}}`,
		request.TableName, request.TableName[strings.LastIndexByte(request.TableName, '/')+1:], items, size))
}
