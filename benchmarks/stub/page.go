package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log"
	"math/rand"
)

const pageBytes = 1 << 20

// A page is 1 MB of items as Scan returns them, joined by commas, and where each ends.
type page struct {
	items []byte
	ends  []int
}

func (p page) count() int { return len(p.ends) }

func (p page) first(count int) []byte {
	if count == 0 {
		return nil
	}
	return p.items[:p.ends[count-1]]
}

// newPage fills a page with seeded items: "small" has four strings in about 210 bytes
// of wire JSON, "big" is 2 KB, "mixed" has 40 attributes of all types. `day` splits
// each kind in two halves at 2013-07-01.
func newPage(kind string) page {
	makers := map[string]func(*rand.Rand, int) string{"small": smallItem, "big": bigItem, "mixed": mixedItem}
	maker, ok := makers[kind]
	if !ok {
		log.Fatalf("-kind must be small, big or mixed, got %q", kind)
	}
	random := rand.New(rand.NewSource(7))
	var items bytes.Buffer
	var ends []int
	for index := 0; ; index++ {
		item := maker(random, index)
		if items.Len()+len(item)+1 > pageBytes {
			return page{items.Bytes(), ends}
		}
		if index > 0 {
			items.WriteByte(',')
		}
		items.WriteString(item)
		ends = append(ends, items.Len())
	}
}

func day(index int) string {
	return fmt.Sprintf("2013-%02d-%02d", 1+index%12, 1+index%28)
}

func smallItem(random *rand.Rand, index int) string {
	return fmt.Sprintf(`{"id":{"S":"%032x"},"day":{"S":"%s"},"name":{"S":"%s"},"value":{"S":"%s"}}`,
		uint64(index)*0x9E3779B97F4A7C15, day(index), letters(random, 44), letters(random, 50))
}

func bigItem(random *rand.Rand, index int) string {
	return fmt.Sprintf(`{"id":{"S":"%032x"},"day":{"S":"%s"},"name":{"S":"%s"},"value":{"S":"%s"}}`,
		uint64(index)*0x9E3779B97F4A7C15, day(index), letters(random, 94), letters(random, 1840))
}

func mixedItem(random *rand.Rand, index int) string {
	var item bytes.Buffer
	fmt.Fprintf(&item, `{"id":{"S":"%032x"},"day":{"S":"%s"}`, uint64(index)*0x9E3779B97F4A7C15, day(index))
	for attribute := 0; attribute < 38; attribute++ {
		fmt.Fprintf(&item, `,"attribute_%02d":%s`, attribute, mixedValue(random, attribute%10))
	}
	item.WriteByte('}')
	return item.String()
}

func mixedValue(random *rand.Rand, kind int) string {
	binary := base64.StdEncoding.EncodeToString([]byte(letters(random, 24)))
	switch kind {
	case 0:
		return fmt.Sprintf(`{"S":"%s"}`, letters(random, 20))
	case 1:
		return fmt.Sprintf(`{"N":"%d.%04d"}`, random.Intn(1_000_000), random.Intn(10_000))
	case 2:
		return fmt.Sprintf(`{"B":"%s"}`, binary)
	case 3:
		return fmt.Sprintf(`{"BOOL":%t}`, random.Intn(2) == 0)
	case 4:
		return `{"NULL":true}`
	case 5:
		return fmt.Sprintf(`{"L":[{"S":"%s"},{"N":"%d"}]}`, letters(random, 8), random.Intn(100))
	case 6:
		return fmt.Sprintf(`{"M":{"left":{"S":"%s"},"right":{"N":"%d"}}}`, letters(random, 8), random.Intn(100))
	case 7:
		return fmt.Sprintf(`{"SS":["a%s","b%s"]}`, letters(random, 6), letters(random, 6))
	case 8:
		return fmt.Sprintf(`{"NS":["%d","%d"]}`, random.Intn(100), 100+random.Intn(100))
	}
	return fmt.Sprintf(`{"BS":["%s"]}`, binary)
}

func letters(random *rand.Rand, count int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	text := make([]byte, count)
	for index := range text {
		text[index] = alphabet[random.Intn(len(alphabet))]
	}
	return string(text)
}
