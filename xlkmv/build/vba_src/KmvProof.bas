Attribute VB_Name = "KmvProof"
Option Explicit

Private mTrial As Object
Private mReport As Object
Private mRow As Long
Private mFailed As Long

' What a machine can check inside Excel, as passed or failed in a new workbook (docs/confirm.md). Formulas are
' tried on a sheet that is deleted again; one amount of the pool is changed and restored.
Public Sub KmvConfirm()
    Dim book As Object
    Set book = ActiveWorkbook
    If book Is Nothing Then Exit Sub
    Set mTrial = book.Worksheets.Add
    Set mReport = Workbooks.Add(xlWBATWorksheet).Worksheets(1)
    mRow = 2
    mFailed = 0
    KmvProgram
    KmvNumbers
    KmvErrors
    KmvTables
    KmvStates book
    mReport.Range("A1").Value2 = "Check"
    mReport.Range("B1").Value2 = IIf(mFailed = 0, "all passed", mFailed & " failed")
    mReport.Range("C1").Value2 = "Expected"
    mReport.Range("D1").Value2 = "Seen"
    Application.DisplayAlerts = False
    mTrial.Delete
    Application.DisplayAlerts = True
    mReport.Columns("A:D").AutoFit
End Sub

' One line of the report.
Private Sub KmvFound(ByVal what As String, ByVal expected As String, ByVal seen As String)
    mReport.Cells(mRow, 1).Value2 = what
    mReport.Cells(mRow, 2).Value2 = IIf(expected = seen, "passed", "failed")
    mReport.Cells(mRow, 3).Value2 = "'" & expected
    mReport.Cells(mRow, 4).Value2 = "'" & seen
    mRow = mRow + 1
    If expected <> seen Then mFailed = mFailed + 1
End Sub

' What a cell or a formula shows: numbers to eight places, errors by their number.
Private Function KmvSeen(ByVal value As Variant) As String
    On Error GoTo Unseen
    If IsError(value) Then
        KmvSeen = CStr(value)
    ElseIf VarType(value) = vbDouble Then
        KmvSeen = Format$(value, "0.00000000")
    Else
        KmvSeen = CStr(value)
    End If
    Exit Function
Unseen:
    KmvSeen = "unreadable: " & Err.Description
End Function

' A formula in a cell of the trial sheet, as a dynamic array where Excel knows them.
Private Function KmvTry(ByVal place As String, ByVal formula As String) As Object
    Dim target As Object
    Set target = mTrial.Range(place)
    On Error Resume Next
    target.Formula2 = formula
    If Err.Number <> 0 Then
        Err.Clear
        target.Formula = formula
    End If
    Set KmvTry = target
End Function

Private Sub KmvValueOf(ByVal what As String, ByVal formula As String, ByVal expected As Variant)
    KmvFound what, KmvSeen(expected), KmvSeen(KmvTry("E1", formula).Value2)
End Sub

' Cells over which a formula spilled.
Private Function KmvSpilled(ByVal target As Object) As String
    On Error Resume Next
    KmvSpilled = "one cell"
    KmvSpilled = target.SpillingToRange.Address(False, False)
End Function

Private Sub KmvProgram()
    Dim server As Object, version As String
    mReport.Cells(mRow, 1).Value2 = "Program"
    mReport.Cells(mRow, 4).Value2 = "'" & Application.Version & ", " & Application.OperatingSystem
    mRow = mRow + 1
    version = "no answer"
    Set server = KmvAlive()
    If Not server Is Nothing Then version = server.Version()
    KmvFound "Python answers, and is of the version of these macros", KMV_BUILD, version
End Sub

' DD = (ln 1.2 - 0.25^2/2)/0.25 = 0.604286; the second is N(0.125).
Private Sub KmvNumbers()
    KmvValueOf "A known number", "=KMV_PD(120,100,0.25)", 0.27282668
    KmvValueOf "Another, with the value at the default point", "=KMV_PD(100,100,0.25)", 0.54973822
    mTrial.Range("A5").Value2 = 43831
    mTrial.Range("A5").NumberFormat = "yyyy-mm-dd"
    KmvValueOf "A cell with a date counts as its number", "=KMV_PD(A5,43831,0.25)", 0.54973822
End Sub

Private Sub KmvErrors()
    KmvValueOf "A number that the formula does not allow", "=KMV_PD(-1,100,0.25)", CVErr(xlErrNum)
    KmvValueOf "A blank", "=KMV_PD(Z99,100,0.25)", CVErr(xlErrNA)
    KmvValueOf "TRUE is no number", "=KMV_PD(TRUE,100,0.25)", CVErr(xlErrValue)
    KmvValueOf "Errors are errors", "=ISERROR(KMV_PD(-1,100,0.25))", True
    KmvValueOf "The reason of an error", "=ISNUMBER(SEARCH(""asset_value"",KMV_EXPLAIN(""KMV_PD"",-1,100,0.25)))", True
End Sub

Private Sub KmvTables()
    Dim target As Object
    mTrial.Range("A1").Value2 = 100
    mTrial.Range("A2").Value2 = -1
    mTrial.Range("A3").Value2 = 120
    Set target = KmvTry("G1", "=KMV_PD(A1:A3,100,0.25)")
    KmvFound "A list spills", "G1:G3", KmvSpilled(target)
    KmvFound "... its first value", KmvSeen(0.54973822), KmvSeen(mTrial.Range("G1").Value2)
    KmvFound "... an error in its own place", KmvSeen(CVErr(xlErrNum)), KmvSeen(mTrial.Range("G2").Value2)
    KmvFound "... its last value", KmvSeen(0.27282668), KmvSeen(mTrial.Range("G3").Value2)
    Set target = KmvTry("I1", "=KMV_TERM(120,100,0.25,A8:A9)")
    mTrial.Range("A8").Value2 = 1
    mTrial.Range("A9").Value2 = 2
    KmvFound "A table spills", "I1:M3", KmvSpilled(target)
    KmvValueOf "INDEX gives the same as the spilled table", "=INDEX(KMV_TERM(120,100,0.25,A8:A9),2,3)-K2", 0#
End Sub

' Home, just refreshed, says stale by itself once an input changes, and fresh again once it is restored.
Private Sub KmvStates(ByVal book As Object)
    Dim state As Object, cell As Object, kept As Variant, before As String, started As Double
    On Error Resume Next
    Set state = book.Names("out_State").RefersToRange
    Set cell = book.Worksheets("Pool").ListObjects("tbl_Pool").ListColumns("Financed amount").DataBodyRange.Cells(1, 1)
    If state Is Nothing Or cell Is Nothing Then
        Err.Clear
        KmvFound "A workbook made from the template is in front", "yes", "no"
        Exit Sub
    End If
    On Error GoTo Failed
    before = KmvSeen(state.Value2)
    kept = cell.Formula
    started = Timer
    cell.Value2 = cell.Value2 + 1
    KmvFound "A changed input changes the state of the results", "yes", IIf(KmvSeen(state.Value2) = before, "no", "yes")
    KmvFound "... within a second", "yes", IIf(Timer - started < 1, "yes", "no")
    cell.Formula = kept
    KmvFound "... and restored, they are as before", before, KmvSeen(state.Value2)
    Exit Sub
Failed:
    If Not IsEmpty(kept) Then cell.Formula = kept
    KmvFound "The state of the results follows the inputs", "yes", Err.Description
End Sub
