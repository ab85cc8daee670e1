package smpp

// Query asks for the state of a message.
type Query struct {
	MessageID string
	Source    Address
}

func (m *Query) layout(f *fields) {
	f.text(&m.MessageID, sizeMessageID, "message_id")
	f.address(&m.Source, sizeAddr, "source_addr")
}

// QueryResp is the answer to it.
type QueryResp struct {
	MessageID string
	FinalDate string // "" or 16 octets
	State     uint8
	ErrorCode uint8
}

func (m *QueryResp) layout(f *fields) {
	f.text(&m.MessageID, sizeMessageID, "message_id")
	f.timestamp(&m.FinalDate, "final_date")
	f.octet(&m.State, "message_state")
	f.octet(&m.ErrorCode, "error_code")
}

// Cancel takes a message back.
type Cancel struct {
	ServiceType, MessageID string
	Source, Dest           Address
}

func (m *Cancel) layout(f *fields) {
	f.text(&m.ServiceType, sizeService, "service_type")
	f.text(&m.MessageID, sizeMessageID, "message_id")
	f.address(&m.Source, sizeAddr, "source_addr")
	f.address(&m.Dest, sizeAddr, "destination_addr")
}

// Replace replaces a message that waits.
type Replace struct {
	MessageID          string
	Source             Address
	Schedule, Validity string
	RegisteredDelivery uint8
	DefaultMsgID       uint8
	Message            []byte
}

func (m *Replace) layout(f *fields) {
	f.text(&m.MessageID, sizeMessageID, "message_id")
	f.address(&m.Source, sizeAddr, "source_addr")
	f.timestamp(&m.Schedule, "schedule_delivery_time")
	f.timestamp(&m.Validity, "validity_period")
	f.octet(&m.RegisteredDelivery, "registered_delivery")
	f.octet(&m.DefaultMsgID, "sm_default_msg_id")
	f.short(&m.Message)
}

// Multi is the body of submit_multi; Dest of its Short is not used.
type Multi struct {
	Short
	Dests []MultiDest
}

// MultiDest is an address, or the name of a distribution list.
type MultiDest struct {
	Address Address
	List    string // "": it is an address
}

// The kinds of destinations.
const (
	destAddress = 1
	destList    = 2
)

func (m *Multi) layout(f *fields) {
	f.text(&m.ServiceType, sizeService, "service_type")
	f.address(&m.Source, sizeAddr, "source_addr")
	n := uint8(len(m.Dests))
	if len(m.Dests) > 254 {
		f.fail("more than 254 destinations")
		return
	}
	f.octet(&n, "number_of_dests")
	if f.reading && f.err == nil {
		m.Dests = make([]MultiDest, n)
	}
	for i := range m.Dests {
		if f.err != nil {
			return
		}
		m.Dests[i].layout(f)
	}
	m.rest(f)
}

func (d *MultiDest) layout(f *fields) {
	kind := uint8(destAddress)
	if d.List != "" {
		kind = destList
	}
	f.octet(&kind, "dest_flag")
	switch kind {
	case destAddress:
		f.address(&d.Address, sizeAddr, "destination_addr")
	case destList:
		f.text(&d.List, sizeAddr, "dl_name")
		if f.err == nil && d.List == "" {
			f.fail("dl_name is empty")
		}
	default:
		f.fail("dest_flag %d is unknown", kind)
	}
}

// MultiResp is the answer to submit_multi.
type MultiResp struct {
	MessageID string
	Failed    []MultiFailed
	TLVs      TLVs
}

// MultiFailed is a destination that was not taken.
type MultiFailed struct {
	Address Address
	Status  Status
}

func (m *MultiResp) layout(f *fields) {
	f.text(&m.MessageID, sizeMessageID, "message_id")
	n := uint8(len(m.Failed))
	if len(m.Failed) > 255 {
		f.fail("more than 255 unsuccessful destinations")
		return
	}
	f.octet(&n, "no_unsuccess")
	if f.reading && f.err == nil && n > 0 {
		m.Failed = make([]MultiFailed, n)
	}
	for i := range m.Failed {
		if f.err != nil {
			return
		}
		f.address(&m.Failed[i].Address, sizeAddr, "unsuccess_sme")
		f.u32((*uint32)(&m.Failed[i].Status), "error_status_code")
	}
	f.tlvs(&m.TLVs)
}
